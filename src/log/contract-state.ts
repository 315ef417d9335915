/** What is promised about the hard state. */
import { expect, test } from 'vitest'
import { type NewPlace, opened } from './contract-calls.ts'

export function statePromises(newPlace: NewPlace, isKept: boolean): void {
  test('none, until one is saved; then the last one', async () => {
    const { meta } = await opened(newPlace())
    expect(await meta.loadHardState()).toBeUndefined()
    await meta.saveHardState({ term: 1, vote: 'a' })
    expect(await meta.loadHardState()).toEqual({ term: 1, vote: 'a' })
    await meta.saveHardState({ term: 2 })
    expect(await meta.loadHardState()).toEqual({ term: 2 })
  })

  test('saves that are not waited for take effect in order', async () => {
    const { meta } = await opened(newPlace())
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => meta.saveHardState({ term: i, vote: `${i}` })),
    )
    expect(await meta.loadHardState()).toEqual({ term: 19, vote: '19' })
  })

  test.each([
    { term: -1 },
    { term: 2 ** 53 },
    { term: 0.5 },
    { term: 1, vote: 'x'.repeat(257) },
    { term: 1, vote: '\ud800' },
  ])('%j is refused, and the last one stays', async (state) => {
    const { meta } = await opened(newPlace())
    await meta.saveHardState({ term: 1 })
    await expect(meta.saveHardState(state)).rejects.toThrow(RangeError)
    expect(await meta.loadHardState()).toEqual({ term: 1 })
  })

  // What is in memory alone is not there when it is opened again.
  test
    .runIf(isKept)
    .each([
      { term: 0 },
      { term: 0, vote: '' },
      { term: 2 ** 53 - 1, vote: 'é \0 "\\ \u{1f600}' },
      { term: 5, vote: '\u{1f600}'.repeat(64) },
    ])('%j is there again', async (state) => {
    const place = newPlace()
    for (let saves = 1; saves < 5; saves++) {
      {
        await using engine = await place.open()
        for (let i = 1; i < saves; i++) await engine.meta.saveHardState({ term: i })
        await engine.meta.saveHardState(state)
      }
      await using engine = await place.open()
      expect(await engine.meta.loadHardState()).toEqual(state)
    }
  })
}
