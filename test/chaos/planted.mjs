import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../apps/platform/install.mjs';

/*
 * Bugs that somebody could have made, planted into a copy of what was built, and the faults that bring each to light. Where
 * another net would mend what the bug does, that net is taken down in the copy too: the checker judges rows, and a bug
 * behind a net leaves none. Texts are exact, and each must be found once: a changed product needs a changed plant.
 */

const relay = 'libs/messaging/src/relay.js';
const consumer = 'libs/messaging/src/consumer.js';
const database = 'libs/database/src/database.js';
const registries = ['registry-0', 'registry-1'];
const inTurn = (count, of) => Array.from({ length: count }, (_, index) => of(index)).flat();

export const planted = {
  cursor: {
    say: 'the relay takes what follows the last that it sent, not the unsent set',
    files: [
      [relay, 'from (select * from outbox order by', 'from (select * from outbox where journal_id > ${this.last ?? 0} order by'],
      [relay, `name: 'unsent',`, ''],
      [relay, 'const { ids, streamSeq } = await this.send(rows);', 'const { ids, streamSeq } = await this.send(rows); this.last = rows.at(-1).journal_id;'],
    ],
    offices: 16,
    rate: 0,
    // Over a narrow line a transaction has drawn its ids some time before its COMMIT arrives; those of the other commit meanwhile.
    steps: [{ kind: 'delay', lines: ['registry-1→postgres'], bytes: 20_000, seconds: 25 }],
  },
  'new-id': {
    say: 'what was not acknowledged is sent again under a new id',
    files: [
      [
        relay,
        'JSON.stringify(row.event), {\n                msgID: row.event.id\n            })',
        `JSON.stringify({ ...row.event, id: (row.event.id = (this.tried ??= new Set()).has(row.journal_id) ? row.event.id.slice(0, 19) + (await import('node:crypto')).randomUUID().slice(19) : row.event.id, this.tried.add(row.journal_id), row.event.id) }), {\n                msgID: row.event.id\n            })`,
      ],
    ],
    steps: inTurn(3, () => [
      { kind: 'oneway', way: 'down', lines: registries.map((one) => `${one}→nats`), seconds: 7 },
      { pause: 3 },
    ]),
  },
  'ack-before-commit': {
    say: 'a fact is acknowledged before its effects are committed (and the reconciler asks for nothing)',
    files: [
      [consumer, 'await this.settle(message);\n            message.ack();', 'message.ack();\n            await this.settle(message);'],
      ['libs/messaging/src/reconciler.js', `this.ask(owner, {\n            again: bySeal\n        });`, ''],
    ],
    steps: inTurn(4, () => [
      { kind: 'delay', lines: ['assignment→postgres', 'inspection→postgres'], ms: 100, seconds: 3 },
      { kind: 'kill', targets: ['assignment', 'inspection'] },
      { pause: 4 },
    ]),
  },
  'no-inbox': {
    say: 'a fact that was applied is applied again when it comes again',
    files: [['libs/messaging/src/applier.js', 'if (isNew === 0) {\n                this.repeated++;\n                return;\n            }', '']],
    steps: inTurn(3, () => [
      { kind: 'oneway', way: 'up', lines: ['assignment→nats', 'inspection→nats', 'notification→nats'], seconds: 4 },
      { pause: 4 },
    ]),
  },
  'swallowed-commit': {
    say: 'an error at COMMIT is taken for success',
    files: [
      [database, `throw new CommitUnknown('The connection was lost at commit.', {\n                cause: error\n            });`, `return { command: 'COMMIT' };`],
      [database, `for (const one of (await sent))if (one.status === 'rejected') throw one.reason;`, ''],
    ],
    offices: 12,
    rate: 60,
    steps: inTurn(6, () => [
      { kind: 'delay', lines: registries.map((one) => `${one}→postgres`), ms: 100, seconds: 2, cut: true },
      { pause: 2 },
    ]),
  },
}; // prettier-ignore

/** @returns the folder of a copy of the product with one bug. @throws where its text is not found exactly once */
export function plant(name) {
  const folder = mkdtempSync(join(tmpdir(), `foodwarden-planted-${name}-`));
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  for (const [file, text, wrong] of planted[name].files) {
    const path = join(folder, 'dist', file);
    const parts = readFileSync(path, 'utf8').split(text);
    if (parts.length !== 2)
      throw new Error(`${name}: in ${file} this stands ${parts.length - 1} times, not once: ${text}`); // prettier-ignore
    writeFileSync(path, parts.join(wrong));
  }
  return folder;
}
