// Preloaded into a process (`--import`): its clock is CLOCK_MS off, for everything that it and its libraries do.
const Right = Date;
const offMs = Number(process.env['CLOCK_MS'] ?? 0);
const now = () => Right.now() + offMs;

globalThis.Date = new Proxy(Right, {
  apply: () => new Right(now()).toString(),
  construct: (_, given, made) =>
    Reflect.construct(Right, given.length === 0 ? [now()] : given, made === globalThis.Date ? Right : made),
  get: (_, name) => (name === 'now' ? now : Reflect.get(Right, name)),
}); // prettier-ignore
