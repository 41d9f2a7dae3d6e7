// Lines of several processes on one console: each with the name of who says it in front, or, where lines are JSON, in a
// field of their own, so that each line stays one JSON object.

/** Lines with the name in front, in colour where one is given. */
export function prefixed(name: string, colour: number | null): (line: string) => string {
  const prefix = `${name.padEnd(9)} | `
  const shown = colour === null ? prefix : `\u001b[${colour}m${prefix}\u001b[0m`
  return line => `${shown}${line}`
}

/** A line that is a JSON object gets the field `from`; any other becomes the message of one. */
export function fielded(name: string, now: () => Date): (line: string) => string {
  return line => {
    const said = objectIn(line)
    if (said !== null) return JSON.stringify({ from: name, ...said })
    return JSON.stringify({ from: name, level: 'info', message: line, timestamp: now().toISOString() })
  }
}

function objectIn(line: string): object | null {
  if (!line.startsWith('{')) return null
  try {
    const value = JSON.parse(line) as unknown
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null
  } catch {
    return null
  }
}
