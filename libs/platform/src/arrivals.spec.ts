import { Arrivals } from './arrivals.js';

const held = (pending: number, unacknowledged: number): { pending: number; unacknowledged: number }[] => [
  { pending: 0, unacknowledged: 0 },
  { pending, unacknowledged },
]; // prettier-ignore

it.each([
  [0, 0, false],
  [1, 0, true],
  [0, 1, true],
])('says of %d pending and %d unacknowledged facts: %p', async (pending, unacknowledged, said) => {
  const arrivals = new Arrivals();
  expect(await arrivals.underWay()).toBeNull(); // before the bus is there
  arrivals.look = () => Promise.resolve(held(pending, unacknowledged));
  expect(await arrivals.underWay()).toBe(said);
});

it('does not wait again for a broker that did not answer, before five seconds have passed', async () => {
  const arrivals = new Arrivals();
  let asked = 0;
  let away = true;
  arrivals.look = () => {
    asked += 1;
    return away ? Promise.reject(new Error('timeout')) : Promise.resolve(held(0, 0));
  };
  expect([await arrivals.underWay(1_000), asked]).toEqual([null, 1]);
  away = false;
  expect([await arrivals.underWay(5_999), asked]).toEqual([null, 1]);
  expect([await arrivals.underWay(6_000), asked]).toEqual([false, 2]);
});
