/** A web server that takes its time: `/` answers 503 until `READY_AFTER_SECONDS` have passed, then `TEXT`. */
import { createServer } from 'node:http'

const readyAfterMs = Number(process.env.READY_AFTER_SECONDS ?? 0) * 1000
const startedAt = performance.now()
const server = createServer((_, response) => {
  const isReady = performance.now() - startedAt >= readyAfterMs
  response.writeHead(isReady ? 200 : 503).end(isReady ? process.env.TEXT : 'not yet')
})
server.listen(8080)
process.once('SIGTERM', () => process.exit(0))
