import { serve } from 'sprag-client/service-worker';

serve({ url: '', mode: 'cookie' });
