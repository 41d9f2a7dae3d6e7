// /proc/self/mountinfo as a list of mounts, and the one that a path is on. Text in, values out; whoever reads the file is
// in src/server.
//
//   36 35 98:0 /mnt1 /mnt/parent\040x rw,noatime master:1 shared:2 - ext4 /dev/root rw,errors=continue
//   id parent dev root mount point    options    any number of tags  - type source  options of the file system

export interface Mount {
  readonly mountPoint: string
  /** As the kernel names it: ext4, nfs4, cifs, fuse.sshfs. */
  readonly type: string
  /** What is mounted: /dev/sda1, gateway:/export, //gateway/share. */
  readonly source: string
  /** Of this mount and of its file system together. */
  readonly options: readonly string[]
  /** The part of the file system that is mounted; not / for bind mounts. */
  readonly root: string
}

const BEFORE_TAGS = 6
/** Longer lines are no mounts that anybody made. */
const MOST_CHARACTERS = 16_384

/** Blank, tab, newline, backslash and # are written as three octal digits. */
const plain = (text: string): string =>
  text.replace(/\\([01][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Lines that are no mounts are left out: a kernel may add what this version does not know. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    if (line.length > MOST_CHARACTERS) continue
    const fields = line.split(' ')
    const dash = fields.indexOf('-', BEFORE_TAGS)
    const [, , , root, mountPoint, options] = fields
    const [type, source, more = ''] = dash < 0 ? [] : fields.slice(dash + 1)
    if (root === undefined || mountPoint === undefined || options === undefined) continue
    if (type === undefined || type === '' || source === undefined || !mountPoint.startsWith('/')) continue
    mounts.push({
      mountPoint: plain(mountPoint),
      type,
      source: plain(source),
      options: [...new Set([...options.split(','), ...more.split(',')].map(plain))].filter(o => o !== ''),
      root: plain(root),
    })
  }
  return mounts
}

/** The mount that a path (absolute, without links) is on: the longest mount point, of equal ones the last. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | null {
  let found: Mount | null = null
  for (const mount of mounts) {
    const { mountPoint } = mount
    const below = mountPoint === '/' ? '/' : `${mountPoint}/`
    if (path !== mountPoint && !path.startsWith(below)) continue
    if (found === null || mountPoint.length >= found.mountPoint.length) found = mount
  }
  return found
}

/** The value of an option: text behind `=`, '' for a bare word, null where it is not there. */
export function optionOf(mount: Mount, name: string): string | null {
  // Of one that is given twice the last counts.
  const found = mount.options.findLast(option => option === name || option.startsWith(`${name}=`))
  return found === undefined ? null : found.slice(name.length + 1)
}
