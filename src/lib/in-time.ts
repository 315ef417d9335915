/** Waiting for what others may never do. */

/**
 * What the promise comes to, or, where that takes longer, an error with the system's word for it: `ETIMEDOUT`. What it
 * comes to later is nobody's.
 */
export async function inTime<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = Object.assign(new Error(`${what} took longer than ${ms} ms`), {
      code: 'ETIMEDOUT',
    })
    timer = setTimeout(() => reject(error), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
