/** The configurations of which a bucket has several: analytics, intelligent tiering, metrics; put, got, listed and deleted alike. */
import type {
  AnalyticsConfiguration,
  IntelligentTieringConfiguration,
  MetricsConfiguration,
} from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { deleteNamed, getNamed, listNamed, putNamed } from './stored-config.ts'

export function analyticsConfigs(ctx: Context): S3Api {
  return {
    PutBucketAnalyticsConfiguration: async (input) =>
      putNamed(ctx, input, 'analytics', input.AnalyticsConfiguration),
    GetBucketAnalyticsConfiguration: async (input) => ({
      AnalyticsConfiguration: await getNamed<AnalyticsConfiguration>(ctx, input, 'analytics'),
    }),
    DeleteBucketAnalyticsConfiguration: async (input) => deleteNamed(ctx, input, 'analytics'),
    ListBucketAnalyticsConfigurations: async (input) => {
      const { items, shown } = await listNamed<AnalyticsConfiguration>(ctx, input, 'analytics')
      return { ...shown, AnalyticsConfigurationList: items }
    },
  }
}

export function intelligentTieringConfigs(ctx: Context): S3Api {
  return {
    PutBucketIntelligentTieringConfiguration: async (input) =>
      putNamed(
        ctx,
        input,
        'intelligent-tiering',
        checkTierings(input.IntelligentTieringConfiguration),
      ),
    GetBucketIntelligentTieringConfiguration: async (input) => ({
      IntelligentTieringConfiguration: await getNamed<IntelligentTieringConfiguration>(
        ctx,
        input,
        'intelligent-tiering',
      ),
    }),
    DeleteBucketIntelligentTieringConfiguration: async (input) =>
      deleteNamed(ctx, input, 'intelligent-tiering'),
    ListBucketIntelligentTieringConfigurations: async (input) => {
      const { items, shown } = await listNamed<IntelligentTieringConfiguration>(
        ctx,
        input,
        'intelligent-tiering',
      )
      return { ...shown, IntelligentTieringConfigurationList: items }
    },
  }
}

export function metricsConfigs(ctx: Context): S3Api {
  return {
    PutBucketMetricsConfiguration: async (input) =>
      putNamed(ctx, input, 'metrics', input.MetricsConfiguration),
    GetBucketMetricsConfiguration: async (input) => ({
      MetricsConfiguration: await getNamed<MetricsConfiguration>(ctx, input, 'metrics'),
    }),
    DeleteBucketMetricsConfiguration: async (input) => deleteNamed(ctx, input, 'metrics'),
    ListBucketMetricsConfigurations: async (input) => {
      const { items, shown } = await listNamed<MetricsConfiguration>(ctx, input, 'metrics')
      return { ...shown, MetricsConfigurationList: items }
    },
  }
}

/** Least days before an object moves to each archive tier, and the most. */
const TIER_DAYS_MIN = { ARCHIVE_ACCESS: 90, DEEP_ARCHIVE_ACCESS: 180 }
const TIER_DAYS_MAX = 730

function checkTierings(
  configuration: IntelligentTieringConfiguration | undefined,
): IntelligentTieringConfiguration | undefined {
  const seen = new Set<string>()
  for (const { AccessTier: tier, Days: days } of configuration?.Tierings ?? []) {
    if (tier === undefined || days === undefined || seen.has(tier)) {
      throw new S3Error('MalformedXML')
    }
    seen.add(tier)
    if (days < TIER_DAYS_MIN[tier] || days > TIER_DAYS_MAX) {
      throw new S3Error('InvalidArgument', {
        message: `Days of ${tier} must be ${TIER_DAYS_MIN[tier]} to ${TIER_DAYS_MAX}`,
        fields: { ArgumentName: 'Days', ArgumentValue: String(days) },
      })
    }
  }
  return configuration
}
