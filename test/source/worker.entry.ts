/** Entry of the threads that the tests of sources use. */
import { serveTasks } from '../../src/runtime/workers.ts'
import { fetchArtifact, fetchTask } from '../../src/source/fetch.ts'
import { fetchIndex, indexTask } from '../../src/source/helm-index.ts'

serveTasks({ [fetchTask.name]: fetchArtifact, [indexTask.name]: fetchIndex })
