/**
 * One signed request for the Docker test: `client.ts METHOD ENDPOINT PATH [BODY]` with the keys in
 * SLUICE_ROOT_ACCESS_KEY and SLUICE_ROOT_SECRET_KEY. Prints the answer's body; exit code 0 on a 2xx.
 */
import { askSigned } from '../../src/cli/signed-request.ts'

const [method = '', endpoint = '', path = '', body = ''] = process.argv.slice(2)
const credential = {
  accessKeyId: process.env['SLUICE_ROOT_ACCESS_KEY'] ?? '',
  secretAccessKey: process.env['SLUICE_ROOT_SECRET_KEY'] ?? '',
}
const answer = await askSigned({ endpoint, region: 'us-east-1', credential }, method, path, body)
process.stdout.write(answer.body)
process.exitCode = answer.status >= 200 && answer.status < 300 ? 0 : 1
