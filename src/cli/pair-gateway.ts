// The gateway responder of `lockstep pair`. All shipped pairs share one address for it, so where another pair on this
// machine already answers there, this one uses that, and takes over when it ends.

import type { Profile } from '../profiles/profile.ts'

const RETRY_MS = 500

export async function keepGateway(profile: Profile, say: (line: string) => void): Promise<{ close(): void }> {
  const { runGatewayResponder } = await import('../server/tcp-ping.ts')
  const { gatewayServerIPAddress: host, gatewayServerPort: port } = profile
  let responder: { close(): void } | null = null
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const attempt = async (): Promise<Error | null> => {
    try {
      const opened = await runGatewayResponder(host, port)
      if (closed) opened.close()
      else responder = opened
      say(`Gateway responder listens on ${host}:${port}`)
      return null
    } catch (error) {
      return error as Error
    }
  }
  const again = () => {
    timer = setTimeout(() => void attempt().then(failure => failure !== null && !closed && again()), RETRY_MS)
  }
  const error = await attempt()
  if (error !== null) {
    say(`${host}:${port} is in use (by another pair, if all is well): pings go there until it ends`)
    again()
  }
  return {
    close() {
      closed = true
      clearTimeout(timer)
      responder?.close()
    },
  }
}
