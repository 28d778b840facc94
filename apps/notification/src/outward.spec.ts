import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { addressOf, isOutward, outwardUrl, Refused, type Rules } from './outward.js';

const rules: Rules = { allowHttp: false, allowInward: [], ports: [443, 8443] };
const inwardAllowed = { ...rules, allowInward: [ipaddr.parseCIDR('10.20.0.0/16'), ipaddr.parseCIDR('fd12::/16')] }; // prettier-ignore
const names: Record<string, string[]> = {
  'hooks.example': ['93.184.216.34'],
  'six.example': ['2606:2800:220:1::1'],
  'inside.example': ['10.20.1.2'],
  'mixed.example': ['93.184.216.34', '127.0.0.1'],
  'mixed6.example': ['93.184.216.34', 'fd00::1'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'nowhere.example': [],
};
const resolve = async (name: string): Promise<string[]> => {
  const found = names[name];
  if (!found) throw new Error('ENOTFOUND');
  return found;
};
const reached = async (text: string, by = rules): Promise<string> =>
  addressOf(outwardUrl(text, by), by, resolve);

describe('the address of a webhook', () => {
  it('is taken where the name stands for public addresses, and pinned to one of them', async () => {
    expect(await reached('https://hooks.example/in?x=1')).toBe('93.184.216.34');
    expect(await reached('https://hooks.example:8443/')).toBe('93.184.216.34');
    expect(await reached('https://hooks.example:443')).toBe('93.184.216.34');
    expect(await reached('https://six.example/')).toBe('2606:2800:220:1::1');
    expect(await reached('https://93.184.216.34/')).toBe('93.184.216.34');
    expect(await reached('https://[2606:2800:220:1::1]/')).toBe('2606:2800:220:1::1');
  });

  it.each([
    // Inward, in plain spelling.
    'https://127.0.0.1/', 'https://127.8.9.1/', 'https://10.0.0.1/', 'https://172.16.0.1/', 'https://172.31.255.255/',
    'https://192.168.1.1/', 'https://169.254.169.254/latest/meta-data/', 'https://100.100.100.200/', 'https://168.63.129.16/',
    'https://192.0.0.192/', 'https://0.0.0.0/', 'https://0.1.2.3/', 'https://224.0.0.1/', 'https://255.255.255.255/',
    'https://198.18.0.1/', 'https://240.0.0.1/', 'https://100.64.0.1/', 'https://192.88.99.1/',
    'https://[::1]/', 'https://[::]/', 'https://[fe80::1]/', 'https://[fd00:ec2::254]/', 'https://[fc00::1]/', 'https://[ff02::1]/',
    'https://[fec0::1]/', 'https://[::ffff:127.0.0.1]/', 'https://[::ffff:7f00:1]/', 'https://[::ffff:8.8.8.8]/', 'https://[::127.0.0.1]/',
    'https://[::ffff:0:127.0.0.1]/', 'https://[64:ff9b::7f00:1]/', 'https://[64:ff9b:1::7f00:1]/', 'https://[2002:7f00:1::]/',
    'https://[2001::1]/', 'https://[2001:db8::1]/', 'https://[4000::1]/', 'https://[100::1]/',
    // Other spellings: also of public addresses.
    'https://0x7f.1/', 'https://0x7f000001/', 'https://2130706433/', 'https://0177.0.0.1/', 'https://127.1/', 'https://127.0.1/',
    'https://0x08080808/', 'https://134744072/', 'https://010.8.8.8/', 'https://8.8.8.8./', 'https://8.8.2056/',
    'https://①②⑦.⓪.⓪.①/', 'https://127。0。0。1/', 'https://%31%32%37.0.0.1/', 'https://hooks.example./', 'https://HOOKS.example/',
    'https://[0:0:0:0:0:0:0:1]/', 'https://[2606:2800:0220:1::1]/', 'https://[fe80::1%25eth0]/',
    // Names.
    'https://localhost/', 'https://nowhere.example/', 'https://unknown.example/', 'https://inside.example/', 'https://mixed.example/',
    'https://mixed6.example/', 'https://mapped.example/',
    // Another host than the eye sees, or no host at all.
    'https://hooks.example@127.0.0.1/', 'https://user:pass@hooks.example/', 'https://:@hooks.example/', 'https://hooks.example#@127.0.0.1/',
    'https://127.0.0.1\\@hooks.example/', 'https:\\\\hooks.example/', 'https:/hooks.example/', 'https:hooks.example/', '//hooks.example/',
    'https://hooks.example\t/', 'https://hooks.example/\r\nX: y', ' https://hooks.example/', 'https://hooks.example/#x', 'https:///hooks.example/',
    // Schemes and ports.
    'http://hooks.example/', 'ftp://hooks.example/', 'file:///etc/passwd', 'gopher://hooks.example/', 'javascript:alert(1)', 'unix:/run/x',
    'https://hooks.example:22/', 'https://hooks.example:80/', 'https://hooks.example:0443/', 'https://hooks.example:/', 'https://hooks.example:65536/',
    '', 'x', `https://hooks.example/${'a'.repeat(2000)}`,
  ])('is refused: %s', async (text) => {
    await expect(reached(text)).rejects.toThrow(Refused);
  }); // prettier-ignore

  it('lies inside only where the configuration allows that network, and nowhere else', async () => {
    expect(await reached('https://inside.example/', inwardAllowed)).toBe('10.20.1.2');
    expect(await reached('https://[fd12::7]/', inwardAllowed)).toBe('fd12::7');
    for (const text of ['https://10.21.0.1/', 'https://[fd13::7]/', 'https://[::ffff:10.20.1.2]/', 'https://mixed.example/', 'https://127.0.0.1/'])
      await expect(reached(text, inwardAllowed)).rejects.toThrow(Refused); // prettier-ignore
  });

  it('tells a name that lies inside from one that is not there in no word', async () => {
    const said = async (text: string): Promise<string> =>
      reached(text).then(
        () => '',
        (error: Error) => error.message,
      );
    expect(await said('https://inside.example/')).toBe(await said('https://unknown.example/'));
  });

  it('is outward for no address of any special range, whatever it is', () => {
    // The registries of special addresses (IANA), in this test's own words.
    const special4 = ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4']; // prettier-ignore
    const special6 = ['::/96', '::ffff:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/32', '2001:db8::/32', '2002::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8']; // prettier-ignore
    const inside = (cidr: string, random: number[]): string => {
      const [network, bits] = ipaddr.parseCIDR(cidr);
      const bytes = network.toByteArray().map((byte, at) => {
        const free = Math.min(8, Math.max(0, 8 * (at + 1) - bits));
        return (byte & ~(2 ** free - 1)) | (random[at]! & (2 ** free - 1));
      });
      return ipaddr.fromByteArray(bytes).toString();
    };
    const bytes = (length: number): fc.Arbitrary<number[]> =>
      fc.array(fc.nat(255), { minLength: length, maxLength: length });
    fc.assert(
      fc.property(fc.constantFrom(...special4), bytes(4), (cidr, random) => !isOutward(inside(cidr, random), [])),
      { numRuns: 2000 },
    ); // prettier-ignore
    fc.assert(
      fc.property(fc.constantFrom(...special6), bytes(16), (cidr, random) => !isOutward(inside(cidr, random), [])),
      { numRuns: 2000 },
    ); // prettier-ignore
  });

  it('is outward exactly where ipaddr.js calls it unicast, less IPv6 outside 2000::/3 and the machine’s own metadata', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => isOutward(text, []) === (ipaddr.parse(text).range() === 'unicast')), // prettier-ignore
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const global = (ipaddr.parse(text).toByteArray()[0]! & 0xe0) === 0x20;
        return isOutward(text, []) === (global && ipaddr.parse(text).range() === 'unicast');
      }),
      { numRuns: 3000 },
    );
    expect(isOutward('168.63.129.16', [])).toBe(false);
    expect(isOutward('fe80::1%eth0', [])).toBe(false);
  });
});
