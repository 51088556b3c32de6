using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>Commands that ask for counters.</summary>
internal sealed partial class NetControlQueueHandler
{
    /// <summary>More queues than there can be are not asked about in one command.</summary>
    private const int QueriesMax = 1024;

    private bool TryReport(byte command, ChainReader data, ref byte[] result, uint resultRoom)
    {
        const byte Query = 0;
        const byte Get = 1;
        if (command > Get || !_device.HasFeature(NetFeatures.DeviceStatistics))
        {
            return false;
        }

        if (command == Query)
        {
            return TryAnswer((Le64)(ulong)NetStatisticsReport.KindsOf(_device), ref result, resultRoom);
        }

        // All or nothing: everything is checked before anything is answered.
        List<NetStatisticsQuery> queries = [];
        while (data.Remaining > 0)
        {
            if (
                queries.Count == QueriesMax
                || !data.TryRead(out NetStatisticsQuery query)
                || !NetStatisticsReport.IsValid(_device, query.QueueIndex, (NetStatisticsTypes)query.Types.Value)
            )
            {
                return false;
            }

            queries.Add(query);
        }

        NetStatisticsReport report = new(_device, resultRoom);
        foreach (NetStatisticsQuery query in queries)
        {
            // This command counts, and it is done.
            report.Add(query.QueueIndex, (NetStatisticsTypes)query.Types.Value, (_commands, _commandsDone + 1));
        }

        result = report.ToArray();
        return queries.Count > 0;
    }
}
