/** Entry of the pool's threads: which task name runs which function. */
import { readChart, readHeads, readManifest } from './helm/manifest.ts'
import { chartTask, headsTask, manifestTask } from './helm/manifest-task.ts'
import { readCrds, renderRelease } from './helm/render-release.ts'
import { crdsTask, renderTask } from './helm/render-task.ts'
import { buildManifests } from './kustomize/build.ts'
import { buildTask } from './kustomize/build-task.ts'
import { unpackArtifact, unpackTask } from './runtime/unpacked.ts'
import { serveTasks } from './runtime/workers.ts'
import { inspectChart, packageChart } from './source/chart-package.ts'
import { findVersion, pullChart } from './source/chart-pull.ts'
import { findTask, inspectTask, packageTask, pullTask } from './source/chart-tasks.ts'
import { fetchArtifact, fetchTask } from './source/fetch.ts'
import { fetchIndex, indexTask } from './source/helm-index.ts'
import { imageTask, pullImage } from './source/oci-pull.ts'

serveTasks({
  [buildTask.name]: buildManifests,
  [chartTask.name]: readChart,
  [headsTask.name]: readHeads,
  [manifestTask.name]: readManifest,
  [crdsTask.name]: readCrds,
  [renderTask.name]: renderRelease,
  [fetchTask.name]: fetchArtifact,
  [indexTask.name]: fetchIndex,
  [imageTask.name]: pullImage,
  [findTask.name]: findVersion,
  [pullTask.name]: pullChart,
  [inspectTask.name]: inspectChart,
  [packageTask.name]: packageChart,
  [unpackTask.name]: unpackArtifact,
})
