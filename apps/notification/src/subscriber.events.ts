import { type AccountChanged, type DataOf, type Envelope, OfficialChanged } from '#contracts';
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { AccountCutoffs } from '#platform';
import { Injectable } from '@nestjs/common';
import { SubscriptionService } from './subscription.service.js';

/**
 * Who left, moved or acts as somebody else now is told nothing more by mail. Which subscriptions end is a function of the
 * set of facts, not of their order: each step that was not known when one was made is judged by itself, also when a newer
 * one came first.
 */
@Injectable()
export class SubscriberEvents extends AccountCutoffs {
  constructor(private readonly subscriptions: SubscriptionService) {
    super();
  }

  @OnEvent(OfficialChanged)
  async official({ data, sequence }: Envelope<DataOf<typeof OfficialChanged>>, tx: Tx): Promise<void> {
    await this.subscriptions.followOfficial(tx, data, sequence);
  }

  override async keep(event: Envelope<DataOf<typeof AccountChanged>>, tx: Tx): Promise<void> {
    await super.keep(event, tx);
    await this.subscriptions.followAccount(tx, event.data);
  }
} // prettier-ignore
