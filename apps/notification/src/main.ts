import 'reflect-metadata';
import { bootstrap } from '#platform';
import { notification } from './notification.definition.js';

await bootstrap(notification);
