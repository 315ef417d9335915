/** Why a scrub or a migration cannot be done, or not go on, in one line that says what to do. */
export class MaintenanceError extends Error {
  override readonly name: string = 'MaintenanceError'
}
