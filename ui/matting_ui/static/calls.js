// What is known of a call that Gradio makes: its tab, that of the component which set it off (of the one that it fills, where
// none did), and what it fills.
window.mattingCall = (() => {
  const config = () => window.gradio_config;
  const tabs = new Map(); // of components, by their numbers
  const statuses = new Set(); // the lines that say how a tab's result is

  const learn = () => {
    const parts = new Map(config().components.map((each) => [each.id, each]));
    const walk = ({ id, children = [] }, around) => {
      const { type, props } = parts.get(id) ?? {};
      const tab = type === "tabitem" ? props.elem_id.replace(/^tab-/, "") : around;
      tabs.set(id, tab);
      if (props?.elem_classes?.includes("status")) statuses.add(id);
      for (const child of children) walk(child, tab);
    };
    walk(config().layout, undefined);
  };

  return ({ fn_index, trigger_id }) => {
    if (!tabs.size) learn();
    const outputs = config().dependencies.find((each) => each.id === fn_index)?.outputs ?? [];
    const isResult = outputs.some((each) => statuses.has(each));
    const tab = tabs.get(trigger_id) ?? tabs.get(outputs[0]) ?? window.matting.openTab();
    return { tab, of: fn_index, outputs, isResult, at: performance.now() };
  };
})();
