import { masked } from './masked.js';

it.each([
  ['19900000001', '199****0001'],
  ['+8619900000001', '+86*******0001'],
  ['05345321234', '053****1234'],
  ['5321234', '*****34'],
  ['12', '**'],
  ['', ''],
  [null, null],
])('shows %p as %p', (telephone, shown) => {
  expect(masked(telephone)).toBe(shown);
});
