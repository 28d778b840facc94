import { County } from '#testing';
import { notification } from '../src/notification.definition.js';

describe('notification without SMTP and keys', () => {
  it('starts, and says which settings a subscription needs', async () => {
    const county = await County.start([notification]);
    try {
      const token = await county.token('office', '371425101');
      const ask = (body: object): ReturnType<County['call']> =>
        county.call('notification', 'POST', '/v1/subscriptions', { token, body });
      for (const [body, setting] of [
        [{ channel: 'email', address: 'wang@county.example' }, 'SMTP_URL'],
        [{ channel: 'webhook', url: 'https://hooks.example/' }, 'NOTIFICATION_KEYS'],
      ] as const)
        expect((await ask(body)).body).toMatchObject({
          status: 409,
          code: 'channel-not-configured',
          detail: expect.stringContaining(setting) as unknown,
        });
      for (const body of [
        { channel: 'email', url: 'https://hooks.example/' },
        { channel: 'email', address: 'a@b.example', url: 'https://hooks.example/' },
        { channel: 'email', address: 'Wang <wang@county.example>' },
        { channel: 'email', address: 'wang@county.example,all@county.example' },
        { channel: 'email', address: 'wang@county.example\r\nBcc: all@county.example' },
        { channel: 'email', address: 'wang@[127.0.0.1]' },
        { channel: 'webhook' },
        { channel: 'sms', address: '1' },
        { channel: 'email', address: 'wang@county.example', kinds: ['no-such-kind'] },
      ])
        expect([body, (await ask(body)).status]).toEqual([body, 422]);
    } finally {
      await county.stop();
    }
  }, 60_000);
});
