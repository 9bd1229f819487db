// What to do about an error, by its code. The daemon writes its messages in English, with the remedy in them: a
// reader of another language is told the kind and the remedy in it first.
export const adviceZh: Record<string, string> = {
  invalid_argument: "请按下面的说明改正后再试。",
  not_found: "请检查路径和名称；文件不在原处时请放回，或改正路径后再加载。",
  failed_precondition: "请先按下面的说明改变它的状态，然后再试。",
  resource_exhausted: "请卸载不需要的模型、提高内存预算，或换一个设备。",
  unavailable: "这可能很快就会过去：请稍后再试。",
  deadline_exceeded: "等待超时，没有执行：请稍后再试，或给它更长的时间。",
  cancelled: "需要时可以重新开始。",
  data_loss: "文件已损坏或不完整：请重新复制或换一个文件。",
  payload_too_large: "请拆分或缩小文件，或提高服务器的上限。",
  unsupported_media_type: "请换一种支持的格式再试。",
  method_not_allowed: "此地址不支持这个操作。",
  unauthorized: "请输入正确的密钥。",
  forbidden: "路径必须在 --model-root 指定的文件夹内，且请求必须来自此页面。",
  unimplemented: "请使用受支持的模型或设置。",
  internal: "请再试一次；仍然失败时，请把下面的信息报告给开发者。",
};

const kUnknownZh = "请求没有成功。请按下面的说明处理后再试。";

// The first sentence of a message for readers of Chinese; `title` is the kind's name, if it has one.
export function firstSentenceZh(code: string, title: string | undefined): string {
  const advice = adviceZh[code];
  if (title && advice) return `${title}。${advice}`;
  return advice ?? (title ? `${title}。` : kUnknownZh);
}
