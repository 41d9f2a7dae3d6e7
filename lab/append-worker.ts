// Runs on a machine of the lab: appends a record to the register of a LockFile as the product does, and says how that went.
//   argv: <LockFile> <number>
import { Register } from '../src/ha/register.ts'
import { ORIGIN } from '../src/journal/position.ts'
import { realChance } from '../src/server/chance.ts'
import { realClock as clock } from '../src/server/clock.ts'
import { FolderShare, runSteps } from '../src/server/share.ts'

const [lockFile = '', number = ''] = process.argv.slice(2)
const LIMIT_MS = 10_000
const register = new Register(lockFile, realChance.id())
const lane = new FolderShare(clock).lane()
const seq = Number(number)
const record = { pairId: 'lab', seq, id: `${seq}`, epoch: seq, holder: 'primary', inSync: [], reason: 'take over', note: '', position: ORIGIN, wallMs: 0 } as const // prettier-ignore
await runSteps(lane, register.look(), LIMIT_MS)
console.log(await runSteps(lane, register.append(record), LIMIT_MS))
process.exit(0)
