import fc from 'fast-check';
import { jsonFaultOf } from './json-fault.js';

describe('a text that is no JSON', () => {
  it.each([
    ['{"a":\n "b" 2}', 2, 6, false],
    ['{"a":“b”}', 1, 6, true],
    ['{\n  "a": [1, １]\n}', 2, 12, true],
    ['{"a":一, "b": "' + 'x'.repeat(500) + '"}', 1, 6, true],
    ['{"a":1,"b":2', 1, 13, false],
    ['{"a":"b', 1, 8, false],
    ['{"a":truu}', 1, 9, false],
    ['{"a":1,}', 1, 8, false],
    ["{'a':1}", 1, 2, false],
    ['name=x', 1, 2, false],
    ['{"a":1} x', 1, 9, false],
  ])('%j is told its place', (text, row, column, wide) => {
    expect(jsonFaultOf(text)).toEqual({ row, column, wide });
  });

  it('is good up to its place, and no JSON with it', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('“', '１', ',', '}', 'x', '"'), (json, at, sign) => {
        const place = at % (json.length + 1);
        const text = `${json.slice(0, place)}${sign}${json.slice(place)}`;
        try {
          JSON.parse(text);
          return; // it is JSON all the same
        } catch {
          const { row, column } = jsonFaultOf(text);
          const rows = text.split('\n');
          const found = rows.slice(0, row - 1).join('\n').length + (row > 1 ? 1 : 0) + column - 1;
          expect(found).toBeGreaterThanOrEqual(Math.min(place, text.length));
        }
      }),
    );
  }); // prettier-ignore
});
