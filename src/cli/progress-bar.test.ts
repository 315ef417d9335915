import { expect, test } from 'vitest'
import { bytesText, counted, durationText, ProgressBar } from './progress-bar.ts'

class Screen {
  text = ''
  readonly isTTY: boolean

  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }

  write(text: string): void {
    this.text += text
  }
}

test('a bar shows how far it is, the rate, and what is left', () => {
  const screen = new Screen(true)
  let nowMs = 0
  using bar = new ProgressBar(screen, () => nowMs)
  bar.begin('reading bytes', { items: 4, bytes: 4 * 2 ** 20 })
  nowMs = 2000
  bar.add(1, 2 ** 20)
  screen.text = ''
  bar.draw()
  expect(screen.text).toBe(
    '\r\u001b[2Kreading bytes  [======                  ]  25%  1  1.0 MiB  512.0 KiB/s  6 s left',
  )
})

test('without a total there is a count and a rate; into a pipe goes nothing', () => {
  const [screen, pipe] = [new Screen(true), new Screen(false)]
  let nowMs = 0
  for (const where of [screen, pipe]) {
    using bar = new ProgressBar(where, () => nowMs)
    nowMs = 0
    bar.begin('reading rows')
    nowMs = 500
    bar.add(1500, 0)
    bar.draw()
  }
  expect(screen.text).toContain('reading rows  1,500  3,000/s')
  expect(pipe.text).toBe('')
})

test('numbers are written for people', () => {
  expect([0, 1023, 1024, 5 * 2 ** 40].map(bytesText)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '5.0 TiB',
  ])
  expect([0.4, 59, 61, 3720].map(durationText)).toEqual(['0 s', '59 s', '1 min 1 s', '1 h 2 min'])
  expect([counted(1, 'blob'), counted(1000, 'blob')]).toEqual(['1 blob', '1,000 blobs'])
})
