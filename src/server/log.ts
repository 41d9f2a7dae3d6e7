// The log of a server, on winston: human lines (time, level, text) or one JSON object a line. The text of contracted
// lines comes first on the line after time and level; nothing is put before it.

import type { Writable } from 'node:stream'
import { config, createLogger, format, transports } from 'winston'
import type { Log, LogLevel } from '../base/ports.ts'

export type LogFormat = 'human' | 'json'

export interface LogOptions {
  readonly format: LogFormat
  readonly level?: LogLevel
  /** Where the lines go; standard output unless given. */
  readonly stream?: Writable
  /** Words in front of every line's text in JSON, such as the server's label. */
  readonly fields?: Readonly<Record<string, unknown>>
}

const LINE_CHARACTERS = 4000
/** A console that takes nothing (a stopped reader) loses lines beyond this, and the server goes on. */
const BACKLOG_BYTES = 4 * 1024 * 1024

/** One line stays one line, whatever a peer or a client put into it. */
const tame = (text: string): string => {
  // eslint-disable-next-line no-control-regex
  const flat = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
  return flat.length > LINE_CHARACTERS ? `${flat.slice(0, LINE_CHARACTERS)}...` : flat
}

const human = format.printf(
  info => `${String(info['timestamp'])} ${info.level.toUpperCase().padEnd(5)} ${String(info.message)}`,
)

export function createLog(options: LogOptions): Log {
  const stamp = format.timestamp({
    format: () => new Date().toISOString(),
  })
  const stream: Writable = options.stream ?? process.stdout
  const logger = createLogger({
    levels: config.npm.levels,
    level: options.level ?? 'info',
    defaultMeta: options.format === 'json' ? options.fields : {},
    format: format.combine(stamp, options.format === 'json' ? format.json({ bigint: true }) : human),
    transports: [new transports.Stream({ stream })],
    exitOnError: false,
  })
  // A console that is gone (closed terminal, broken pipe) must not stop a server.
  logger.on('error', () => {})
  stream.on('error', () => {})
  let dropped = 0
  return (level, line, fields) => {
    if (stream.writableLength > BACKLOG_BYTES) return void dropped++
    if (dropped > 0) logger.log('warn', `${dropped} lines are missing here: the console took none`)
    dropped = 0
    logger.log(level, tame(line), options.format === 'json' ? fields : undefined)
  }
}
