// Whether a port could be opened now: by opening it, and closing it again.

import { createServer } from 'node:net'

/** Null where it could; else the system's error, as EADDRINUSE or EADDRNOTAVAIL. */
export const tryPort = (host: string, port: number): Promise<NodeJS.ErrnoException | null> =>
  new Promise(resolve => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
