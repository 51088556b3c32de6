using Vireo.Core.Queues;

namespace Vireo.Tests.Core.Queues;

public sealed class NotificationDataTests
{
    [Theory]
    [InlineData(0u)]
    [InlineData(0x8000_0000u)]
    [InlineData(0x7fff_ffffu)]
    [InlineData(0xffff_ffffu)]
    [InlineData(0x1234_5678u)]
    public void Parse_AnyWord_ComesBackAsTheSameWord(uint word) =>
        Assert.Equal(word, NotificationData.Parse(word).Value);

    [Fact]
    public void Value_PutsQueueLowAndWrapHigh() =>
        Assert.Equal(0x8003_0002u, new NotificationData(Queue: 2, NextOffset: 3, NextWrap: true).Value);
}
