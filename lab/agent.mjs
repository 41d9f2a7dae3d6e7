// Runs inside each machine of the lab and does what the driver asks over HTTP: run a command to its end, start one and
// leave it running, tell the clocks. Plain JavaScript without dependencies, for it is the machine's first program.
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:http'

const out = process.env.LAB_OUT

async function read(request) {
  let body = ''
  for await (const chunk of request) body += chunk
  return body ? JSON.parse(body) : {}
}

const surroundings = q => ({ cwd: q.cwd ?? '/', env: { ...process.env, ...q.env } })

function start(q, answer) {
  const log = openSync(`${out}/${q.log}`, 'a')
  const child = spawn(q.argv[0], q.argv.slice(1), {
    ...surroundings(q),
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  child.on('error', error => answer({ error: error.message }, 500))
  child.on('spawn', () => answer({ pid: child.pid }))
}

function run(q, answer) {
  const child = spawn(q.argv[0], q.argv.slice(1), { ...surroundings(q), stdio: ['pipe', 'pipe', 'pipe'] })
  const text = { stdout: '', stderr: '' }
  let isOver = false
  child.stdout.on('data', chunk => (text.stdout += chunk))
  child.stderr.on('data', chunk => (text.stderr += chunk))
  const end = (code, signal) => {
    if (isOver) return
    isOver = true
    clearTimeout(limit)
    answer({ code, signal, ...text })
  }
  // A process in an uninterruptible wait survives SIGKILL: answer all the same.
  const limit = setTimeout(() => {
    child.kill('SIGKILL')
    setTimeout(() => end(null, 'HUNG'), 1000)
  }, q.timeoutMs)
  child.on('close', end)
  child.on('error', error => {
    isOver = true
    clearTimeout(limit)
    answer({ error: error.message }, 500)
  })
  child.stdin.end(q.input ?? '')
}

const clocks = () => ({ wall: Date.now(), monotonic: Number(process.hrtime.bigint()) / 1e6 })

async function serve(request, response) {
  const answer = (body, status = 200) => {
    response.writeHead(status)
    response.end(JSON.stringify(body))
  }
  try {
    const q = await read(request)
    if (request.url === '/clocks') answer(clocks())
    else if (request.url === '/spawn') start(q, answer)
    else if (request.url === '/run') run(q, answer)
    else answer({ error: 'no such path' }, 404)
  } catch (error) {
    answer({ error: error.message }, 500)
  }
}

createServer((request, response) => void serve(request, response)).listen(7000, '0.0.0.0', () =>
  console.log(`agent of ${process.env.LAB_NAME} is up`),
)
process.on('uncaughtException', error => console.error(error))
