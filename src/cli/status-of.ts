/** Whether something answers at a URL: small enough for a health check to load. */
import { request as requestHttp } from 'node:http'

const TIMEOUT_MS = 2000

/** The status of a GET, or why there is none (`ECONNREFUSED`). */
export async function statusOf(url: string): Promise<number | string> {
  const isTls = url.startsWith('https')
  const request = isTls ? (await import('node:https')).request : requestHttp
  return new Promise((resolve) => {
    // Whether it is alive is asked, by its own machine: its name in the certificate does not matter.
    const options = { timeout: TIMEOUT_MS, agent: false, rejectUnauthorized: false }
    const asked = request(url, options, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asked.end()
  })
}
