/** The host to connect to, as a URL writes it: listening on all addresses is no address to connect to. */
export function nearHost(host: string): string {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return near.includes(':') ? `[${near}]` : near
}
