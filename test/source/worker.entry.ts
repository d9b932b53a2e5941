/** Entry of the threads that the tests of sources use. */
import { serveTasks } from '../../src/runtime/workers.ts'
import { inspectChart, packageChart } from '../../src/source/chart-package.ts'
import { findVersion, pullChart } from '../../src/source/chart-pull.ts'
import { findTask, inspectTask, packageTask, pullTask } from '../../src/source/chart-tasks.ts'
import { fetchArtifact, fetchTask } from '../../src/source/fetch.ts'
import { fetchIndex, indexTask } from '../../src/source/helm-index.ts'
import { imageTask, pullImage } from '../../src/source/oci-pull.ts'

serveTasks({
  [findTask.name]: findVersion,
  [pullTask.name]: pullChart,
  [inspectTask.name]: inspectChart,
  [packageTask.name]: packageChart,
  [fetchTask.name]: fetchArtifact,
  [indexTask.name]: fetchIndex,
  [imageTask.name]: pullImage,
})
