namespace Vireo.Tests.Core.Queues;

public sealed class PagedSplitRingLawTests : RingLawTests
{
    private protected override bool IsPacked => false;

    private protected override bool IsPaged => true;

    private protected override IReadOnlyList<ushort> Sizes => [2, 256, 1024];
}
