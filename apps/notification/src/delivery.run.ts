import { Database } from '#database';
import { type Job } from '#platform';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type Claimed, DeliveryService, type Outcome } from './delivery.service.js';
import { MailSender } from './mail.sender.js';
import { SubscriptionService } from './subscription.service.js';
import { WebhookSender } from './webhook.sender.js';

const atOnce = 8;

/**
 * Sends what is due, outside any transaction: at least once, under an id that stays the same. A process that ends between
 * sending and recording sends again when its lease is over.
 */
@Injectable()
export class DeliveryRun implements Job, OnModuleDestroy {
  readonly intervalMs = 500;
  readonly queue = 'delivery';
  private readonly underWay = new Set<Promise<void>>();
  private trouble: Error | undefined;
  /** What keeps mails back, as it was told last. */
  private mailTrouble: string | null = null;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly deliveries: DeliveryService,
    private readonly mail: MailSender,
    private readonly webhooks: WebhookSender,
    private readonly subscriptions: SubscriptionService,
  ) {}

  depth(): Promise<number> {
    return this.database.everywhere('counts deliveries of every county', (tx) =>
      this.deliveries.depth(tx),
    );
  }

  async run(): Promise<boolean> {
    if (this.trouble !== undefined) {
      const { trouble } = this;
      this.trouble = undefined;
      throw trouble; // what an attempt could not record: told once, and sent again after its lease
    }
    if (this.stopped) return false;
    const claimed =
      this.underWay.size < atOnce
        ? await this.database.everywhere('claims a delivery of any county', (tx) =>
            this.deliveries.claim(tx),
          )
        : undefined;
    if (claimed) {
      const work: Promise<void> = this.deliver(claimed)
        .catch((error: Error) => void (this.trouble = error))
        .finally(() => this.underWay.delete(work));
      this.underWay.add(work);
      return true;
    }
    if (this.underWay.size === 0) return false;
    // The next of a subscriber may be claimed as soon as the one before it is done.
    await Promise.race([
      ...this.underWay,
      new Promise((done) => setTimeout(done, this.intervalMs).unref()),
    ]);
    return true;
  }

  /** What is under way is recorded before the database is closed. */
  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.underWay);
  }

  private async deliver(claimed: Claimed): Promise<void> {
    if (claimed.left) return this.subscriptions.endLeft(claimed.subscriptionId, claimed.division);
    const sender = claimed.channel === 'email' ? this.mail : this.webhooks;
    const outcome = await sender.send(claimed);
    await this.deliveries.record(claimed, outcome);
    if (claimed.channel === 'email') this.tellOfMail(outcome);
  }

  /** A mail server that is away, or knows us no more, holds up everybody: whoever runs the system is told once. */
  private tellOfMail({ outcome, status, reply }: Outcome): void {
    const held = outcome === 'failed' && (status === null || (status >= 530 && status < 540)); // RFC 4954: authentication
    const trouble = held ? reply : null;
    if (held && trouble !== this.mailTrouble)
      this.trouble = new Error(`the mail server takes nothing (${trouble}); mails wait, and are sent when it does · 邮件服务器不可用,邮件等待恢复后发送`); // prettier-ignore
    this.mailTrouble = trouble;
  }
}
