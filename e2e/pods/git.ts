/** The Git server of the end-to-end test, in its pod: serves `/repositories` on port 8080. Pushing is done by `kubectl exec`. */
import { startGitServer } from '../../test/tools/git-server.ts'

await using _server = await startGitServer({ root: '/repositories', host: '0.0.0.0', port: 8080, wants: 'any' })
await new Promise((resolve) => process.once('SIGTERM', resolve))
