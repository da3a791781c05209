import { createClient } from 'sprag-client';
import { sprag, useClient, useSession } from 'sprag-client/vue';
import { computed, createSSRApp, defineComponent, h } from 'vue';

export const client = createClient({ url: '', mode: 'cookie' });

const App = defineComponent({
  setup() {
    const client = useClient();
    const session = useSession();
    const isIn = computed(() => session.value.state === 'signed-in');
    const logIn = () => client.login({ username: 'ada', password: 'correct horse battery' });
    return () =>
      isIn.value ? h('button', { onClick: client.logout }, 'Log out') : h('button', { onClick: logIn }, 'Log in');
  },
});

export const app = createSSRApp(App).use(sprag(client));
