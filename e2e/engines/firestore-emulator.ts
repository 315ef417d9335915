/**
 * Google's Firestore emulator of one's own, in memory, on a free port of 127.0.0.1. It comes with Google's
 * command line tools; SLUICE_FIRESTORE_EMULATOR names its jar where it is elsewhere. It needs a JDK
 * 17 or newer; without the two the run fails and says so.
 */
import { existsSync } from 'node:fs'
import { freePort } from '../harness/free-port.ts'
import { checkJava, startJava } from './java-server.ts'

const JAR = 'platform/cloud-firestore-emulator/cloud-firestore-emulator.jar'
const PLACES: readonly string[] = [
  `/usr/lib/google-cloud-sdk/${JAR}`,
  `/opt/google-cloud-sdk/${JAR}`,
]
const MAIN = 'com.google.cloud.datastore.emulator.firestore.CloudFirestore'

export interface FirestoreEmulator extends AsyncDisposable {
  readonly endpoint: string
}

export async function startFirestoreEmulator(): Promise<FirestoreEmulator> {
  checkJava('The Firestore emulator')
  const jar = process.env['SLUICE_FIRESTORE_EMULATOR'] ?? PLACES.find((place) => existsSync(place))
  if (jar === undefined || !existsSync(jar))
    throw new Error(
      'The Firestore emulator is missing (Debian: google-cloud-cli-firestore-emulator; else gcloud components install cloud-firestore-emulator, and SLUICE_FIRESTORE_EMULATOR names its jar)',
    )
  const port = await freePort()
  const machine = ['-Xmx512m', '-Duser.language=en', '-cp', jar, MAIN]
  const server = await startJava(
    'The Firestore emulator',
    [...machine, 'start', '--host=127.0.0.1', `--port=${port}`],
    port,
  )
  return {
    endpoint: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
