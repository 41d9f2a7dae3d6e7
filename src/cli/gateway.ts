// lockstep gateway: the ping responder, for gateways where the share's own port can not be pinged.

import type { CommandModule } from 'yargs'
import { createLog } from '../server/log.ts'
import { Misused } from './errors.ts'
import { whenStopped } from '../server/signals.ts'

export const gateway: CommandModule<{}, { host: string; port: number }> = {
  command: 'gateway',
  describe: "runs the gateway's ping responder",
  builder: yargs =>
    yargs
      .option('host', { type: 'string', nargs: 1, default: '127.0.0.1', describe: 'address to listen on' })
      .option('port', {
        type: 'number',
        nargs: 1,
        default: 7190,
        describe: 'gatewayServerPort of the profiles',
      }) as never,
  async handler(args) {
    if (!Number.isInteger(args.port) || args.port < 1 || args.port > 65535)
      throw new Misused('--port must be a whole number from 1 to 65535.')
    const { runGatewayResponder } = await import('../server/tcp-ping.ts')
    const log = createLog({ format: 'human' })
    const responder = await runGatewayResponder(args.host, args.port)
    log('info', `Gateway responder listens on ${args.host}:${args.port}`)
    await whenStopped()
    responder.close()
  },
}
