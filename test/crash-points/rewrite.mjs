// Every await of a file, and a counter in its place. The files that a fact passes from emit to acknowledgement stand here.
import { existsSync } from 'node:fs';
import ts from 'typescript';

/** Where a fact passes, and who ends there: the registry emits and sends, assignment takes. */
const registry = ['registry'];
const assignment = ['assignment'];
const files = [
  { file: 'apps/registry/src/establishment.service.js', ends: registry },
  { file: 'libs/database/src/database.js', ends: ['registry', 'assignment'] },
  { file: 'libs/messaging/src/relay.js', ends: registry },
  { file: 'libs/messaging/src/seal.js', ends: registry },
  { file: 'libs/messaging/src/watermarks.js', ends: registry },
  { file: 'libs/messaging/src/consumer.js', ends: assignment },
  { file: 'libs/messaging/src/applier.js', ends: assignment },
  { file: 'libs/messaging/src/patience.js', ends: assignment },
  { file: 'libs/messaging/src/retries.js', ends: assignment },
  { file: 'libs/messaging/src/reconciler.js', ends: assignment },
  { file: 'apps/assignment/src/assignment.events.js', ends: assignment },
];
export const path = (dist = 'dist') => files.filter(({ file }) => existsSync(`${dist}/${file}`));

/** Files of libs/messaging that no fact passes. */
export const beside = {
  'bus.ts': 'connects, and the deploy step: no fact is under way',
  'index.ts': 'names what others may use',
  'journal-verify.ts': 'a command that reads',
};

/** Points where nobody ends, and why: the first words of their names. What only another failure reaches stands in troubles.mjs. */
export const unreached = {
  'at an orderly end: whoever is killed does not come here': [
    'database.js Database.close', 'retries.js Retries.stop', 'relay.js Relay.stop', 'watermarks.js Watermarks.stop', 'consumer.js Consumers.stop', 'reconciler.js Reconciler.stop',
    'consumer.js Consumers.supervise: await Promise.all(running)', // the messages end without an error when they are closed, and only then
  ],
  'a question of metrics, health or a page: nothing is written': [
    'relay.js Relay.depth', 'applier.js Applier.waiting', 'retries.js Retries.waiting', 'consumer.js Consumers.lag', 'establishment.service.js EstablishmentService.page',
  ],
  'the clock could not be read anew: nothing is written, and what was read before holds': ['database.js Database.open: catch'],
}; // prettier-ignore
export const excused = (name) =>
  Object.values(unreached)
    .flat()
    .find((words) => name.startsWith(words));

/** A number that is the same for a text at all times (FNV-1a): draws a share of the points, whatever else changes. */
export function lotOf(text) {
  let lot = 0x811c9dc5;
  for (const byte of Buffer.from(text)) lot = Math.imul(lot ^ byte, 0x01000193) >>> 0;
  return lot >>> 8;
}

const told = (node, source) => node.getText(source).replaceAll(/\s+/g, ' ').slice(0, 70);

/** The function that holds a node, with its class. */
function holderOf(node) {
  for (let at = node.parent; at; at = at.parent) {
    if (ts.isMethodDeclaration(at) || ts.isFunctionDeclaration(at))
      return `${at.parent.name?.text ? `${at.parent.name.text}.` : ''}${at.name.text}`;
  }
  return 'module';
}

/**
 * @param first the number of the file's first point
 * @returns the text with a counter at each point, and the points' names
 */
export function rewrite(text, file, first = 0) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const found = [];
  const inserts = [];
  const wrap = (node, call, what) => {
    const name = `${file.split('/').at(-1)} ${holderOf(node)}: ${what}`;
    const same = found.filter((one) => one === name || one.startsWith(`${name} #`)).length;
    const index = first + found.push(same > 0 ? `${name} #${same + 1}` : name) - 1;
    inserts.push({ at: node.getStart(source), text: `${call}(${index}, `, opens: true });
    inserts.push({ at: node.end, text: ')', opens: false });
  };
  const visit = (node) => {
    if (ts.isAwaitExpression(node)) wrap(node.expression, '__crash.at', `await ${told(node.expression, source)}`);
    if (ts.isForOfStatement(node) && node.awaitModifier)
      wrap(node.expression, '__crash.each', `for await ${told(node.expression, source)}`);
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && ['then', 'catch', 'finally'].includes(node.expression.name.text))
      for (const callback of node.arguments)
        if (ts.isArrowFunction(callback) || ts.isFunctionExpression(callback))
          wrap(callback, '__crash.on', `${node.expression.name.text} ${told(callback, source)}`);
    ts.forEachChild(node, visit);
  }; // prettier-ignore
  visit(source);
  // From the end to the beginning; of two at one place the outer opens first and closes last: it was found first.
  const ordered = inserts
    .map((insert, order) => ({ ...insert, order }))
    .sort((one, other) => other.at - one.at || (one.opens === other.opens ? (one.opens ? other.order - one.order : one.order - other.order) : one.opens ? -1 : 1)); // prettier-ignore
  let changed = text;
  for (const { at, text: more } of ordered)
    changed = changed.slice(0, at) + more + changed.slice(at);
  const up = '../'.repeat(file.split('/').length - 1);
  return { text: `import * as __crash from '${up}counter.mjs';\n${changed}`, found };
}
