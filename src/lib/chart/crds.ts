/** The crds/ folders of a chart and its dependencies. */

import type { Chart, Crd } from './chart.ts'

const extensions = ['.yaml', '.yml', '.json']

/** The files, those of a chart before those of its dependencies. Source: chart.CRDObjects. */
export function crdsOf(chart: Chart, parentPath = ''): Crd[] {
  const path = parentPath === '' ? chart.metadata.name : `${parentPath}/charts/${chart.metadata.name}`
  const own = chart.files
    .filter(({ name }) => name.startsWith('crds/') && extensions.some((extension) => name.toLowerCase().endsWith(extension)))
    .map(({ name, data }) => ({ path: `${path}/${name}`, name, data }))
  return [...own, ...chart.dependencies.flatMap((dependency) => crdsOf(dependency, path))]
}
