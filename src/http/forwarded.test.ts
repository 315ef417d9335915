import { expect, test } from 'vitest'
import { believed, type Origin, trustedProxies } from './forwarded.ts'

const isTrusted = trustedProxies(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'])!
const from = (remoteAddress: string, headers: Record<string, string> = {}): Origin =>
  believed(
    {
      remoteAddress,
      isSecure: false,
      rawHeaders: ['Host', 'inside:9000', ...Object.entries(headers).flat()],
    },
    isTrusted,
  )

const ALL = {
  'X-Forwarded-For': '203.0.113.9',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 's3.example.com',
}

test('a trusted proxy tells who asks, how, and by which name', () => {
  for (const proxy of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::9', '192.0.2.7']) {
    const { remoteAddress, isSecure, rawHeaders } = from(proxy, ALL)
    expect([remoteAddress, isSecure, rawHeaders[1]]).toEqual([
      '203.0.113.9',
      true,
      's3.example.com',
    ])
  }
})

test('of anybody else it is believed nothing', () => {
  for (const stranger of ['192.0.2.8', '203.0.113.9', '::1']) {
    const origin = from(stranger, ALL)
    expect(origin.remoteAddress).toBe(stranger)
    expect(origin.isSecure).toBe(false)
    expect(origin.rawHeaders[1]).toBe('inside:9000')
  }
  expect(trustedProxies([])).toBeUndefined()
})

test('what the client itself wrote into the chain counts for nothing', () => {
  const chain = (text: string): string =>
    from('10.0.0.1', { 'X-Forwarded-For': text }).remoteAddress
  expect(chain('127.0.0.1, 203.0.113.9')).toBe('203.0.113.9')
  expect(chain('127.0.0.1, 203.0.113.9, 10.0.0.2')).toBe('203.0.113.9')
  expect(chain('203.0.113.9:4711')).toBe('203.0.113.9')
  expect(chain('[2001:db9::1]:4711')).toBe('2001:db9::1')
  expect(chain('10.0.0.3, 10.0.0.2')).toBe('10.0.0.3')
  expect(chain('unknown')).toBe('10.0.0.1')
  expect(from('10.0.0.1').remoteAddress).toBe('10.0.0.1')
})
