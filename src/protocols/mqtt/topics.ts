// What a topic name and a topic filter may look like (4.7 of the standard), and shared subscriptions taken apart. Which
// names a filter matches is the broker's business.

import { fault, malformed } from './errors.ts'
import { checkText } from './packets.ts'

const SLASH = 0x2f
const PLUS = 0x2b
const HASH = 0x23

function levelsIn(bytes: Uint8Array): number {
  let levels = 1
  for (const byte of bytes) if (byte === SLASH) levels++
  return levels
}

/** The topic name, judged [MQTT-3.3.2-1, 3.3.2-2, 4.7.3-1]. */
export function checkTopicName(bytes: Buffer, mostLevels: number): string {
  if (bytes.length === 0) throw fault('TOPIC', { why: 'it is empty' })
  checkText(bytes)
  if (bytes.includes(PLUS) || bytes.includes(HASH)) throw fault('TOPIC', { why: 'it holds wildcards' })
  if (levelsIn(bytes) > mostLevels) throw fault('TOPIC', { why: `it has more than ${mostLevels} levels` })
  return bytes.toString('utf8')
}

export interface Filter {
  /** As the client wrote it. */
  readonly text: string
  /** Name of the group of a shared subscription, or ''. */
  readonly share: string
  /** What topics must match. */
  readonly filter: string
}

/** A topic filter, taken apart; null where it is not one, which is told in the answer. */
export function readFilter(bytes: Buffer, mostLevels: number): Filter | null {
  if (bytes.length === 0) throw malformed('a topic filter is empty')
  checkText(bytes)
  const text = bytes.toString('utf8')
  let share = ''
  let filter = text
  if (text.startsWith('$share/')) {
    const slash = text.indexOf('/', 7)
    share = slash < 0 ? '' : text.slice(7, slash)
    filter = slash < 0 ? '' : text.slice(slash + 1)
    // [MQTT-4.8.2-1, 4.8.2-2]
    if (share === '' || filter === '' || share.includes('+') || share.includes('#')) return null
  }
  const levels = filter.split('/')
  if (levels.length > mostLevels) return null
  // [MQTT-4.7.1-1, 4.7.1-2]
  const valid = levels.every((level, i) =>
    level.includes('#') ? level === '#' && i === levels.length - 1 : !level.includes('+') || level === '+',
  )
  return valid ? { text, share, filter } : null
}
