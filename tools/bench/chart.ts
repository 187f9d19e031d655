/** Draws what the data path costs, in the stack and in C, as an SVG file. */

import * as echarts from "echarts";
import type { Build } from "../build/project.js";
import { builds } from "./data-path.js";
import type { BenchResult, DataPathRow } from "./result.js";

const chartWidth = 1100;
const panelHeight = 420;

const label = ({ path, size, segments, batch }: DataPathRow): string =>
  `${path} ${size}${segments > 1 ? `×${segments}` : ""} / ${batch}`;

/** One panel: nanoseconds a request for each point, the stack beside the reference. */
function panel(rows: readonly DataPathRow[], build: Build, index: number) {
  const shown = rows.filter((row) => row.build === build);
  const top = index * panelHeight + 70;
  const axes = { xAxisIndex: index, yAxisIndex: index, type: "bar" as const };
  return {
    title: { text: `${build} build: nanoseconds a request, loop and device subtracted`, top: top - 55, left: 20 },
    grid: { top, height: panelHeight - 190, left: 60, right: 20 },
    xAxis: { gridIndex: index, data: shown.map(label), axisLabel: { rotate: 60, interval: 0, fontSize: 9 } },
    yAxis: { gridIndex: index, name: "ns" },
    series: [
      { ...axes, name: "stack", data: shown.map(({ stack }) => Number(stack.quick.toFixed(1))) },
      { ...axes, name: "C reference", data: shown.map(({ reference }) => Number(reference.quick.toFixed(1))) },
    ],
  };
}

export function drawChart({ dataPath }: BenchResult): string {
  const panels = builds.map((build, index) => panel(dataPath, build, index));
  const chart = echarts.init(null, null, {
    ...{ renderer: "svg" as const, ssr: true },
    ...{ width: chartWidth, height: panels.length * panelHeight },
  });
  chart.setOption({
    ...{ animation: false, backgroundColor: "#ffffff", legend: { top: 10, right: 20 } },
    title: panels.map(({ title }) => title),
    grid: panels.map(({ grid }) => grid),
    xAxis: panels.map(({ xAxis }) => xAxis),
    yAxis: panels.map(({ yAxis }) => yAxis),
    series: panels.flatMap(({ series }) => series),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
