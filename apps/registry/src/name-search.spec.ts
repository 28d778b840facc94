import { readFileSync } from 'node:fs';
import { pinyin } from 'pinyin-pro';
import { asked, initialsOf, searchable } from './name-search.js';

describe('a name for the search', () => {
  it('is spelt as the dictionary spells it whole, though most characters are looked up alone', () => {
    const places = readFileSync('apps/platform/sample/divisions.csv', 'utf8').split(/[\n,]/);
    const words = ['重庆小面', '长清路音乐餐吧', '银行食堂', '齐河羊汤', '便利店', '大家乐', '绿女鱼', '朝阳会计便宜厂'];
    for (const name of [...places, ...words])
      expect([name, initialsOf(name)]).toEqual([
        name,
        pinyin(name, { pattern: 'first', toneType: 'none', type: 'array' }).join('').replace(/[^a-z0-9]/g, ''),
      ]);
  }); // prettier-ignore

  it('has its pieces, those of its initials, and its places, and is asked by the nearest of these alone', () => {
    expect(searchable('Ｋ饭店', '371425101201')).toEqual({
      text: 'k饭店\nkfd',
      grams: ['k', '饭', 'k饭', '店', '饭店', 'f', 'kf', 'd', 'fd', '#371425', '#371425101'],
    });
    expect(asked(' LW ', '371425101201')).toEqual({
      wanted: 'lw',
      pieces: ['l', 'w', 'lw', '#371425101'],
    });
    expect(asked('饭', '371425').pieces).toEqual(['饭', '#371425']);
    expect(asked('饭', '').pieces).toEqual(['饭']);
  });
});
