/**
 * What a shrunk model is measured on unless a person gives a text of theirs: plain prose, a talk, numbers,
 * a list and some code, so that each kind of loss shows a little. Written for this.
 */
export const SAMPLE_TEXT = `The harbour was quiet when Mara came down with her basket. It had rained all
night, and the ropes on the quay were dark and heavy. She counted the boats: seven, where there had been nine
the evening before. Two of them must have gone out before the light, she thought, or they had slipped their
lines in the storm. The old keeper of the lighthouse sat on a barrel and mended a net.

"Good morning," she said. "Did you see who left?"
"I heard them," he answered, without looking up. "About four. They had no lamp lit, so they did not want to
be seen. If you ask me, they went north, to the islands, because the wind had turned by then."
"And what is on the islands?"
"Birds, stones, and a chapel without a roof. Nothing that a sensible person would want."

A litre of fresh water weighs one kilogram, and sea water a little more, about 1.025. A boat of 400 kg floats
when it pushes away 400 litres of the first, or 390 of the second: that is why ships lie deeper in a river. With
12 people of 75 kg each on board, it has to push away 900 litres more.

To make a simple soup for four people, you need:
1. two onions and three carrots, cut small;
2. a litre and a half of water, with salt;
3. 250 grams of red lentils, washed;
4. a spoon of oil, and lemon at the end.
Fry the onions until they are soft, add everything else but the lemon, and let it cook for twenty minutes.

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

Most of what we call weather is water on its way. The sun lifts it from the sea, the wind carries it over the
land, and wherever the air has to climb, over a mountain or over colder air, it cools and lets go of what it
cannot hold. So one side of a mountain may be a forest and the other a desert, a day's walk apart. In the
evening Mara asked the keeper again. This time he put the net away, looked at her for a long while, and told her.
`
