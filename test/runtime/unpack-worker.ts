/** A worker thread that only unpacks. */
import { unpackArtifact, unpackTask } from '../../src/runtime/unpacked.ts'
import { serveTasks } from '../../src/runtime/workers.ts'

serveTasks({ [unpackTask.name]: unpackArtifact })
