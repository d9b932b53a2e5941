/** Charts as builders of manifests use them: found in a repository, unpacked, rendered to the text of `helm template`. */

import { BuildError } from '../errors.ts'
import type { Environment } from '../gotemplate/environment.ts'
import { memoryTree, type Tree } from '../tree.ts'
import { defaultCapabilities } from './capabilities.ts'
import { loadChart } from './load.ts'
import { mergeValues } from './options.ts'
import { printRendered } from './print.ts'
import { checkInstallable, render } from './render.ts'
import { chartUrl, findVersion, parseIndex } from './repository.ts'

/** A chart to render, and how. */
export interface InflateRequest {
  /** The chart's folder. */
  readonly chart: Tree
  /** Empty: Helm's own stand-in, `release-name`. */
  readonly releaseName: string
  /** Empty: `default`. */
  readonly namespace: string
  /** Texts of values files, in the order of `-f`. */
  readonly values: readonly { readonly name: string; readonly content: string }[]
  /** Empty: the one that Helm was built for. */
  readonly kubeVersion: string
  /** Besides Helm's own. */
  readonly apiVersions: readonly string[]
  readonly includeCrds: boolean
  readonly skipHooks: boolean
  readonly skipTests: boolean
}

export interface ChartLocation {
  /** Address of the repository. */
  readonly repo: string
  readonly name: string
  /** A version or a range; empty: the newest. */
  readonly version: string
  /** Versions before a release count too. */
  readonly devel: boolean
}

const decoder = new TextDecoder()

/** What `sluice/kustomize` takes to render helmCharts. `environment` is made anew for each chart. */
export function chartEngine(environment: () => Environment) {
  return {
    /** The standard output of `helm template`. @throws Error with Helm's text. */
    render(request: InflateRequest): string {
      const { releaseName, namespace, kubeVersion, apiVersions, includeCrds, skipHooks, skipTests } = request
      const chart = loadChart(request.chart)
      checkInstallable(chart)
      const rendered = render(
        chart,
        mergeValues({ files: request.values }),
        { name: releaseName || 'release-name', namespace: namespace || 'default', revision: 1, isUpgrade: false },
        {
          kubeVersion: kubeVersion || defaultCapabilities.kubeVersion,
          apiVersions: [...defaultCapabilities.apiVersions, ...apiVersions],
        },
        { environment: environment() },
      )
      return printRendered(rendered, { includeCrds, noHooks: skipHooks, skipTests })
    },

    /** The address of a chart's package, by the text of the repository's index.yaml. @throws BuildError */
    locate(index: Uint8Array, { repo, name, version, devel }: ChartLocation): string {
      const request = { chart: name, version: version || (devel ? '>0.0.0-0' : ''), repository: repo }
      return chartUrl(findVersion(parseIndex(decoder.decode(index)), request), request)
    },

    /** The folder in a package. @throws BuildError */
    unpack(archive: Uint8Array): Tree {
      const { raw } = loadChart({ archive })
      if (raw.length === 0) throw new BuildError('the package holds no chart')
      return memoryTree(raw.map(({ name, data }) => [name, data]))
    },
  }
}
