// Seeds of the simulation that have failed once, each with what it found. They are run again for ever: a seed loses its
// story when the drawing of faults changes, but it costs little, and most keep it.

export const failedSeeds: readonly (readonly [seed: string, found: string])[] = [
  ['1274', 'a forced start over a share that went back could never append its record'],
  ['1416', 'a channel that broke and came back at once left ACTIVE and PASSIVE without shipping, for ever'],
  ['1380', 'a switchover that a broken channel interrupted left the clients paused'],
  ['2645', 'a handover taken back appended a record of the old epoch after the record of the new one'],
  ['2115', 'a share that went back was not found out by the server whose peer knew better'],
  ['2328', 'a join named a position that the active server itself did not have durably yet'],
  ['2099', 'a role that changed before the peer had greeted was never told: both waited for ever'],
  ['2006', 'a full disk at the beginning of a snapshot ended the server without a coded error'],
  ['2467', 'a handover record won after the peer had gone left the taker PASSIVE with a reign, for ever'],
  ['2195', 'an operator could not force a server whose last append was undecided'],
  ['6843', 'an append was called won although the crashed share had forgotten its name before the flush'],
  ['6174', 'a keeper that died while its broker was starting left a broker without a keeper, for ever'],
  ['8048', 'an append that another reign had forestalled was asked for again and again'],
  ['3219', 'a broker without its keeper went on (as 6174)'],
  ['4054', 'acknowledgements between the forced order and its record'],
  [
    'd4ffdcae-6909',
    'a record that had been read, but was never flushed, was gone with the gateway’s power: both waited for ever',
  ],
  [
    'd4ffdcae-10036',
    'no fault of the pair: words in the simulated pipe to the keeper overtook each other after a freeze',
  ],
  [
    'a1457f13-40872',
    'a server whose machine had slept took its peer’s promise for fresh, and served on when it had the lock again',
  ],
  ['a1457f13-28377', 'no fault of the pair: a bit that flipped while no server ran was forgotten by the judge'],
  [
    'cb80a721-294',
    'no fault of the pair: an operator’s case after a share that went back, met when nothing was sent any more',
  ],
  ['cb80a721-35514', 'no fault of the pair: after a share had gone back the judge took an old record for the newest'],
  ['cb80a721-40611', 'no fault of the pair: a clock was set back by as much as its machine slept, which breaks A4'],
  ['cb80a721-64354', 'no fault of the pair: nobody gave a server a new disk whose damage came to light late'],
  ['cb80a721-89574', 'no fault of the pair: bits flipped on both copies, which breaks A7'],
  [
    '3a4978be-12',
    'no fault of the pair: acknowledged after the share had gone back, and taken over by a server that did not know',
  ],
  [
    '1639ac83-15560',
    'a server whose reign the register ended while it handed over followed on from before that reign, and stopped',
  ],
  ['1639ac83-16197', 'the same, over other faults'],
  ['a1457f13-17381', 'no fault of the pair: a flush that failed at the start was judged as damaged data'],
]
