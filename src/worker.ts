/** Entry of the pool's threads: which task name runs which function. */
import { buildManifests } from './kustomize/build.ts'
import { buildTask } from './kustomize/build-task.ts'
import { unpackArtifact, unpackTask } from './runtime/unpacked.ts'
import { serveTasks } from './runtime/workers.ts'
import { fetchArtifact, fetchTask } from './source/fetch.ts'

serveTasks({
  [buildTask.name]: buildManifests,
  [fetchTask.name]: fetchArtifact,
  [unpackTask.name]: unpackArtifact,
})
