// Asks over HTTP from within the host on which it runs, for a test that is elsewhere: each line on stdin is a request
// { id, url, method }, each line on stdout an answer { id, status, text }, with status 0 where nobody answered.
import { createInterface } from 'node:readline'

async function ask(line) {
  const { id, url, method } = JSON.parse(line)
  const post = method === 'POST' && { headers: { 'content-type': 'application/json' }, body: '{}' }
  try {
    const answer = await fetch(url, { method, ...post, signal: AbortSignal.timeout(2000) })
    console.log(JSON.stringify({ id, status: answer.status, text: await answer.text() }))
  } catch (error) {
    console.log(JSON.stringify({ id, status: 0, text: String(error) }))
  }
}

createInterface({ input: process.stdin })
  .on('line', line => void ask(line))
  .on('close', () => process.exit(0))
