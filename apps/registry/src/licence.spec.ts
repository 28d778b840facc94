import { licenceFits, normaliseLicence } from './licence.js';

describe('the check digit of a licence', () => {
  it.each(['JY13101140093802', 'SC11834020305037', '鲁食作坊1234', ''])('fits %p', (number) => {
    expect(licenceFits(number)).toBe(true);
  });
  it.each([
    'JY13101140093803',
    'SC11834020305036',
    'JY13101140093820',
    'JY1310114009380',
    'SC118340203050370',
    'JY',
  ])('does not fit %p', (number) => {
    expect(licenceFits(number)).toBe(false);
  });
  it('is read from full width and lower case', () => {
    expect(normaliseLicence('ｊｙ１３１０１１４００９３８０２')).toBe('JY13101140093802');
  });
});
