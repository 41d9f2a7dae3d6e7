// The gateway's share in the tests of real networks: an SFTP server for each connection, straight on TCP. sshfs mounts it,
// so that whoever is cut off from the gateway is cut off from the folder too, and operations hang as on a hard mount.
//   node folder-server.mjs <port> <sftp-server>
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

const [port, program] = [Number(process.argv[2]), process.argv[3]]
createServer({ pauseOnConnect: true }, socket => {
  socket.on('error', () => {})
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program], { stdio: [socket, socket, 'ignore'] })
  child.on('spawn', () => socket.destroy())
  child.on('error', () => socket.destroy())
}).listen(port, '0.0.0.0', () => console.log('ready'))
