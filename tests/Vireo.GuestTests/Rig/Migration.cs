using System.Text.Json;
using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>How far the move of a running guest to another QEMU has come.</summary>
public static class Migration
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Waits until all memory has gone over once and the move still goes on.</summary>
    public static void WaitUntilSecondPass(Guest source) =>
        WaitUntil(
            source,
            static answer => answer.GetProperty("ram").GetProperty("dirty-sync-count").GetInt64() >= 2,
            "active"
        );

    /// <summary>Waits until the migration is in a state.</summary>
    /// <returns>What QEMU then says of it.</returns>
    public static JsonElement WaitUntil(Guest source, string wanted) => WaitUntil(source, static _ => true, wanted);

    /// <summary>Waits until the migration is in a state and as far as wanted, or over.</summary>
    private static JsonElement WaitUntil(Guest source, Func<JsonElement, bool> isFar, string wanted)
    {
        string status = "";
        JsonElement answer = default;
        bool isWanted = false;
        SpinWait.SpinUntil(
            () =>
            {
                Thread.Sleep(50);
                answer = source.Monitor.Execute("query-migrate");
                status = answer.TryGetProperty("status", out JsonElement value) ? value.GetString()! : "";
                isWanted = string.Equals(status, wanted, StringComparison.Ordinal) && isFar(answer);
                return isWanted || status is "completed" or "failed" or "cancelled";
            },
            Patience
        );
        Assert.True(isWanted, $"the migration is '{status}', and not as far as it should be '{wanted}'");
        return answer;
    }
}
